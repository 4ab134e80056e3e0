-- An operator's order to one worker: take nothing new.
ALTER TABLE workers ADD COLUMN drain_requested_at timestamptz(3);
