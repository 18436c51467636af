"""The library that the services share: the domain's rules, the store adapters, the web edge and the runtime."""
