"""Three clients, somebody who kills workers and a memory too small for all models, for as long as wanted."""
