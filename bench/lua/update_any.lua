-- PATCH /answers, a random one of as many stored keys as are given.
dofile("report.lua")
dofile("keys.lua")

local keys

function init(arguments)
  keys = tonumber(arguments[1])
end

function request()
  local key = stored_key(math.random(0, keys - 1))
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', key)
  return wrk.format("PATCH", "/answers", {["Content-Type"] = "application/json"}, body)
end
