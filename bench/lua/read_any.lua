-- GET /answers/{key}, a random one of as many stored keys as are given; with a second argument, as Consistency-Token.
dofile("report.lua")
dofile("keys.lua")

local headers = {}
local keys

function init(arguments)
  keys = tonumber(arguments[1])
  headers["Consistency-Token"] = arguments[2]
end

function request()
  return wrk.format("GET", "/answers/" .. stored_key(math.random(0, keys - 1)), headers)
end
