-- Stage: write a record with its rate log; `<record>_bytes` are what the event holds of it. The log's head are the first
-- four volatile fields, so that they lie next to the durable ones.

local rate_stamp = pack('>I4', <record>_rate_at_ms % 4294967296)
if <record>_rewrite then
  local ring = sub(<record>_read, <record>_size() + 1)
  if rate_slot then ring = sub(ring, 1, 4 * rate_slot) .. rate_stamp .. sub(ring, 4 * rate_slot + 5) end
  call('SET', <record>_key, <record>_bytes .. <record>_pack_volatile() .. ring)
elseif rate_slot then
  call('SETRANGE', <record>_key, 0, <record>_bytes .. pack('>I8I2I2I2', <record>_rate_at_ms, <record>_rate_next,
    <record>_rate_count, <record>_rate_size))
  call('SETRANGE', <record>_key, <record>_size() + 4 * rate_slot, rate_stamp)
else
  call('SETRANGE', <record>_key, 0, <record>_bytes)
end
