"""Events: their models, the outbox that publishes them, the trigger that receives them."""
