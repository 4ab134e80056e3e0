"""Views of the one engine in the words of other vendors; each folder is a dialect, and knows no other."""
