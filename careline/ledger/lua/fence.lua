-- What stands in the epoch, and the run id of this server.
return {redis.call('GET', key('epoch')) or '', own_run_id()}
