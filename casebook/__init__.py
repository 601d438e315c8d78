"""What people decided and what they were told: cases, people, the ledger, the outbox, and the read model that pages are drawn from."""
