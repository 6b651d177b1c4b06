"""Names of the two domains, and of the ways between them."""

DOMAINS = ("a", "b")
DIRECTIONS = ("a_to_b", "b_to_a")
