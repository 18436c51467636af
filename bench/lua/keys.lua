-- The keys that fill.py stores, and new ones that fall anywhere between them.
math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 1000000)

local started = os.time() .. "-" .. math.random(1, 1e9)
local made = 0

function stored_key(number)
  return string.format("%08x", number * 2654435761 % 4294967296)
end

function new_key()
  made = made + 1
  return string.format("%08x-%s-%d", math.random(0, 4294967295), started, made)
end
