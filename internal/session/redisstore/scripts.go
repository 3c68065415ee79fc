package redisstore

import (
	"fmt"
	"strings"

	"github.com/patdesk/patdesk/internal/session"
)

// The scripts answer a word, see outcome, or a record. They get the record's key and, for a record of a group, the
// index; they take the time from the caller and never from Redis.
const (
	// lookScript is how the others look at what is there. A record that isn't one (damaged) has no version, and never
	// expires: it stays for an operator to look at.
	lookScript = `
local record, index = KEYS[1], KEYS[2]
local function look()
  local b = redis.call('GET', record)
  if not b then return nil end
  local expires = tonumber(string.sub(b, 5, 20))
  if #b < 36 or string.sub(b, 1, 4) ~= 'PDR1' or not expires then return {bytes = b, damaged = true} end
  return {bytes = b, expires = expires, version = string.sub(b, 21, 36)}
end
`

	// writeScript has the arguments ID, now, time to live, margin, new version, new expiry, content. An index lives as
	// long as its longest record, and loses what has expired with every write.
	writeScript = lookScript + `
local id, now, life, margin = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local version, expires, content = ARGV[5], ARGV[6], ARGV[7]
local function write()
  redis.call('SET', record, content, 'PX', life)
  if index then
    redis.call('ZADD', index, expires, id)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now - margin)
    if redis.call('PTTL', index) < life then redis.call('PEXPIRE', index, life) end
  end
  return 'OK'
end
local there = look()
if there and there.version == version then return 'OK' end
`

	createScript = writeScript + `
if there and (there.damaged or there.expires > now) then return 'EXISTS' end
return write()
`

	// updateScript has one more argument, the version that was read.
	updateScript = writeScript + `
if not there or there.damaged or there.expires <= now then return 'GONE' end
if there.version ~= ARGV[8] then return 'CONFLICT' end
return write()
`

	// deleteScript has the arguments ID and version; with '' it deletes any.
	deleteScript = lookScript + `
if ARGV[2] ~= '' then
  local there = look()
  if not there or there.version ~= ARGV[2] then return 'OK' end
end
redis.call('DEL', record)
if index then redis.call('ZREM', index, ARGV[1]) end
return 'OK'
`

	// takeScript has the argument ID and answers what was there.
	takeScript = lookScript + `
local there = look()
if not there then return 'GONE' end
redis.call('DEL', record)
if index then redis.call('ZREM', index, ARGV[1]) end
return there.bytes
`
)

// manyScript reads all KEYS and answers what is there: a record, nothing (false), or 0 for what is no record at all. It
// ends after the record with which the answer has more bytes than its argument says; the caller asks again for the
// rest. It needs no command but GET.
const manyScript = `
local answers, size = {}, 0
for i, key in ipairs(KEYS) do
  local b = redis.pcall('GET', key)
  if type(b) == 'table' and b.err then
    if not string.find(b.err, 'WRONGTYPE', 1, true) then return redis.error_reply(b.err) end
    b = 0
  end
  answers[i] = b
  if type(b) == 'string' then size = size + #b end
  if size > tonumber(ARGV[1]) then break end
end
return answers
`

// The scripts of locks have the lock's key and the arguments token and lease in milliseconds. Locks that aren't held
// aren't there.
const (
	lockScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'OK' end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 'OK' end
return 'TAKEN'
`

	// renewScript takes a lock anew that is gone, and still held by no one: Redis has lost it, in a failover for
	// example, or couldn't be reached for longer than the lease.
	renewScript = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 'TAKEN' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return holder and 'OK' or 'AGAIN'
`

	unlockScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'OK'
`
)

// outcome turns a script's word into an error, and passes on a record.
func outcome(answer string) (string, error) {
	switch answer {
	case "EXISTS":
		return "", session.ErrExists
	case "CONFLICT":
		return "", session.ErrConflict
	case "GONE":
		return "", session.ErrNotFound
	case "OK", "TAKEN", "AGAIN":
		return answer, nil
	}
	if !strings.HasPrefix(answer, format) {
		return "", fmt.Errorf("%w: a script answered something else", session.ErrDamaged)
	}
	return answer, nil
}
