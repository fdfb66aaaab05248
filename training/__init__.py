"""How the triage model is made: data in, artefact and card out. Never imported by careline."""
