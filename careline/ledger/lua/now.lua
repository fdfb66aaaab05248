-- The time of the server that holds this shard, in µs.
return {text(microseconds())}
