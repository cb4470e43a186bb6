"""Encoders that turn images and sentences into features, and the device they run on."""
