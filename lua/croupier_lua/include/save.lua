-- Stage: write a record; `<record>_bytes` are what the event holds of it.

if <record>_rewrite then
  call('SET', <record>_key, <record>_bytes .. <record>_pack_volatile() .. sub(<record>_read, <record>_size() + 1))
else
  call('SETRANGE', <record>_key, 0, <record>_bytes)
end
