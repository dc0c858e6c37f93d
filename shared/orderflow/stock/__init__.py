"""Stock and who gets it: decisions, and the locks and statements around them."""
