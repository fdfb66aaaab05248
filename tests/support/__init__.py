"""What tests stand on: servers started for real, and nothing faked."""
