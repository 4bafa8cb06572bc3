"""What a reader sees: figures, tables, objects that move, audit, palette."""
