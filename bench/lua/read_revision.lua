-- GET /answers/{key} as it was, of the key that is given, at a random one of as many revisions as are given.
dofile("report.lua")
dofile("keys.lua")

local key, revisions

function init(arguments)
  key, revisions = arguments[1], tonumber(arguments[2])
end

function request()
  return wrk.format("GET", "/answers/" .. key .. "?revision=" .. math.random(0, revisions - 1))
end
