package embedded

// OutliveParent makes a server survive the process that starts it.
func (o *PostgresOptions) OutliveParent() { o.outlive = true }
