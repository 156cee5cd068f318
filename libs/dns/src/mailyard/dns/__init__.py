"""DNS: `resolver` asks, `answer` holds what it returns, `cache` bounds what is remembered."""
