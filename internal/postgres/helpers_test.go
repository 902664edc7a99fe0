package postgres_test

import cfg "waybill/internal/config"

func config(url string) cfg.Secret { return cfg.Secret(url) }
