-- A page of redrives and discards, newest first, and what became of them. What waits, was given up
-- and came back is counted; letters are forgotten some time after they are settled, so the rest
-- has been sent.
SELECT coalesce(json_agg(row), '[]')::text FROM (
  SELECT
    position AS id, action, asked_by AS by, asked_at AS at, selection, rate_per_s, matched,
    CASE action WHEN 'redrive' THEN matched - waiting - given_up ELSE 0 END AS sent,
    waiting, given_up, came_back
  FROM (
    SELECT * FROM redrives
    WHERE position < CAST(:below AS bigint)
    ORDER BY position DESC
    LIMIT CAST(:count AS bigint)
  ) AS page, LATERAL (
    SELECT
      count(*) FILTER (WHERE acknowledged_at IS NULL AND send_at IS NOT NULL) AS waiting,
      count(*) FILTER (WHERE error IS NOT NULL AND send_at IS NULL) AS given_up,
      count(came_back_at) AS came_back
    FROM redriven_letters WHERE redrive = position
  ) AS counted
  ORDER BY position DESC
) AS row;
