"""What travels: the wire contracts that every room and every bot shares."""
