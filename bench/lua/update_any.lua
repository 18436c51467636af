-- PATCH /answers, a random one of as many stored keys as are given; with a second argument, each under an
-- Idempotency-Key of its own.
dofile("report.lua")
dofile("keys.lua")

local headers = {["Content-Type"] = "application/json"}
local keys, repeatable

function init(arguments)
  keys = tonumber(arguments[1])
  repeatable = arguments[2] ~= nil
end

function request()
  if repeatable then
    headers["Idempotency-Key"] = new_key()
  end
  local key = stored_key(math.random(0, keys - 1))
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', key)
  return wrk.format("PATCH", "/answers", headers, body)
end
