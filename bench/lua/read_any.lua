-- GET /answers/{key}, a random one of as many stored keys as are given.
dofile("report.lua")
dofile("keys.lua")

local keys

function init(arguments)
  keys = tonumber(arguments[1])
end

function request()
  return wrk.format("GET", "/answers/" .. stored_key(math.random(0, keys - 1)))
end
