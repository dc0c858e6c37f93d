-- One inventory change, and what became of it.
SELECT shown::text FROM shown_changes WHERE change_id = :change_id;
