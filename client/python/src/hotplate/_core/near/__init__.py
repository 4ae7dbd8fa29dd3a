"""A near cache without its network: what is kept in this process, and the rule by which it is."""
