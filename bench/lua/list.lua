-- GET /answers, a page of as many answers as the second argument says, behind a random one of as many stored keys as
-- the first does.
dofile("report.lua")
dofile("keys.lua")

local keys, limit

function init(arguments)
  keys, limit = tonumber(arguments[1]), arguments[2]
end

function request()
  return wrk.format("GET", "/answers?limit=" .. limit .. "&after=" .. stored_key(math.random(0, keys - 1)))
end
