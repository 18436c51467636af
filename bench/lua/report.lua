-- The last line of the output, for the program that started this load.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, '
      .. '"failed": {"status": %d, "timeout": %d, "connect": %d, "read": %d, "write": %d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.timeout, errors.connect, errors.read, errors.write))
end
