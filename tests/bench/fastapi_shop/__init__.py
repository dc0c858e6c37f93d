"""What a good team would write: FastAPI, asyncpg and aiokafka, with a consumer that allocates."""
