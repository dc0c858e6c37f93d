-- Says that sweep has taken all of its steps.
INSERT INTO last_sweep (at) VALUES (now())
ON CONFLICT (id) DO UPDATE SET at = EXCLUDED.at;
