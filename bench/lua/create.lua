-- POST /answers, a new key each time; with an argument, each under an Idempotency-Key of its own.
dofile("report.lua")
dofile("keys.lua")

local headers = {["Content-Type"] = "application/json"}
local repeatable

function init(arguments)
  repeatable = arguments[1] ~= nil
end

function request()
  local key = new_key()
  if repeatable then
    headers["Idempotency-Key"] = key
  end
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', key)
  return wrk.format("POST", "/answers", headers, body)
end
