-- PATCH /answers, each stored key once from the given one on; with a second argument, as If-Match.
dofile("report.lua")
dofile("keys.lua")

local headers = {["Content-Type"] = "application/json"}
local number

function init(arguments)
  number = tonumber(arguments[1])
  headers["If-Match"] = arguments[2]
end

function request()
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', stored_key(number))
  number = number + 1
  return wrk.format("PATCH", "/answers", headers, body)
end
