"""A library in open formats: a folder of tables (JSON Lines or Parquet), crops and originals, out and in again."""
