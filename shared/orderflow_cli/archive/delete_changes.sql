-- Deletes locked inventory changes whose entries of the ledger are folded.
DELETE FROM inventory_changes WHERE position = ANY(CAST(:taken AS bigint[]));
