CREATE INDEX outputs_newest ON outputs (tenant_id, created_at DESC, id DESC);
