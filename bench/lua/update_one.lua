-- PATCH /answers, always the key that is given.
dofile("report.lua")

local message

function init(arguments)
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', arguments[1])
  message = wrk.format("PATCH", "/answers", {["Content-Type"] = "application/json"}, body)
end

function request()
  return message
end
