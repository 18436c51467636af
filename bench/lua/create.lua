-- POST /answers, a new key each time.
dofile("report.lua")
dofile("keys.lua")

function request()
  local body = string.format('{"key":"%s","value":"a value of some forty characters, say"}', new_key())
  return wrk.format("POST", "/answers", {["Content-Type"] = "application/json"}, body)
end
