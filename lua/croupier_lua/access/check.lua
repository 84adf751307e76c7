-- Which of these commands may the caller's user not run? Redis is asked, and runs none of them.
-- @flag no-writes
-- @arg commands   text...   each command with its arguments, words with spaces between them

local refused = {}
for index, command in ipairs(commands) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  if not redis.acl_check_cmd(unpack(words)) then refused[#refused + 1] = command end
end
return refused
