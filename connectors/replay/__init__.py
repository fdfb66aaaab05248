"""A file of real posts, heard as if a network said them."""
