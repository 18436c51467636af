-- GET /answers/{key}, always the key that is given.
dofile("report.lua")

local message

function init(arguments)
  message = wrk.format("GET", "/answers/" .. arguments[1])
end

function request()
  return message
end
