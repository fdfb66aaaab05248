"""Where cases live: state, due-set, outbox and effects in Redis or Valkey."""
