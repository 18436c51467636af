-- The last line of the output, for the program that started this load.
function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, '
      .. '"failed": {"status": %d, "timeout": %d, "connect": %d, "read": %d, "write": %d}}\n',
    summary.requests, summary.duration, errors.status, errors.timeout, errors.connect, errors.read, errors.write))
end
