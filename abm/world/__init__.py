"""The world: instruments, orders, auction, ledger, margin, public state, news. Knows nothing of sectors."""
