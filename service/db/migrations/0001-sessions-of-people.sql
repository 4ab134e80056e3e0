ALTER TABLE sessions
    ALTER COLUMN key_id DROP NOT NULL,
    ADD COLUMN tenant_id integer REFERENCES tenants ON DELETE CASCADE,
    ADD COLUMN principal text CHECK (principal <> ''),
    ADD COLUMN roles text[] CHECK (roles <@ ARRAY['viewer', 'user', 'curator', 'admin']),
    ADD CHECK (num_nulls(tenant_id, principal, roles) = CASE WHEN key_id IS NULL THEN 0 ELSE 3 END),
    ADD CHECK (key_id IS NOT NULL OR NOT is_ticket);
CREATE INDEX sessions_of_person ON sessions (tenant_id, principal, created_at) WHERE tenant_id IS NOT NULL;
