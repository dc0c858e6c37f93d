"""What tests share: servers, callers, data, waiting."""
