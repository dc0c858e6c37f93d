"""Events that no function could process: kept, counted, shown, sent again."""
