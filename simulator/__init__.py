"""AWS on your desk: moto, what AWS enforces and moto does not, a virtual clock, faults, and the wiring of template.yaml."""
