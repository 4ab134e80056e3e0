"""What import_dovuti is made of: records (CSV), taxids and rows (rules), parse (in its own process), load (SQL)."""
