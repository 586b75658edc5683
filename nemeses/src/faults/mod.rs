//! The faults, one file each, and the list of them all.

mod client_partition;
mod clock;
mod compact;
mod corrupt;
mod crash_loop;
mod disk_full;
mod fsync;
mod kill;
mod membership;
mod packet;
mod partition;
mod pause;
mod power;
mod restart;
mod transfer;

use crate::Entry;

/// Every fault.
pub const ALL: &[Entry] = &[
    kill::ENTRY,
    crash_loop::ENTRY,
    restart::ENTRY,
    pause::ENTRY,
    partition::ENTRY,
    client_partition::ENTRY,
    packet::ENTRY,
    clock::ENTRY,
    fsync::ENTRY,
    power::ENTRY,
    disk_full::ENTRY,
    corrupt::ENTRY,
    membership::ENTRY,
    transfer::ENTRY,
    compact::ENTRY,
];

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Matrix = [[f64; 3]; 3];

    const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    /// What people without green, or without red receptors see, in linear RGB: Machado, Oliveira and
    /// Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009.
    const DEUTERANOPIA: Matrix = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ];
    const PROTANOPIA: Matrix = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ];
    /// From linear RGB to the responses of receptors, and from their cube roots to lightness and two opponent
    /// colours: OKLab (Ottosson, 2020), in which equal distances look about equally different.
    const RECEPTORS: Matrix = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ];
    const OKLAB: Matrix = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ];

    fn times(matrix: &Matrix, vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// A colour `#rrggbb` in OKLab, as seen with `vision`.
    fn seen(colour: &str, vision: &Matrix) -> [f64; 3] {
        let linear = [1, 3, 5].map(|at| {
            let byte = u8::from_str_radix(&colour[at..at + 2], 16).expect("#rrggbb");
            let share = f64::from(byte) / 255.0;
            match share <= 0.04045 {
                true => share / 12.92,
                false => ((share + 0.055) / 1.055).powf(2.4),
            }
        });
        let received = times(vision, linear).map(|channel| channel.clamp(0.0, 1.0));
        times(&OKLAB, times(&RECEPTORS, received).map(f64::cbrt))
    }

    #[test]
    fn colours_differ() {
        // (vision, the least distance)
        for (vision, least) in [(IDENTITY, 0.14), (DEUTERANOPIA, 0.085), (PROTANOPIA, 0.085)] {
            for (position, one) in ALL.iter().enumerate() {
                for other in &ALL[position + 1..] {
                    let (a, b) = (seen(one.colour, &vision), seen(other.colour, &vision));
                    let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(distance >= least, "{} and {}: {distance}", one.name, other.name);
                }
            }
        }
        for entry in ALL {
            let lightness = seen(entry.colour, &IDENTITY)[0];
            assert!(
                lightness < 0.86,
                "{} is too light on white: {lightness}",
                entry.name
            );
        }
    }
}
