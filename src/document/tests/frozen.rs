//! Known ids and heads. An accidental change of an encoding, here or in Automerge, is noticed by these; a deliberate one
//! needs a new version of the form, since documents of older releases must keep their heads.

use super::ledger::{after, genesis, seals};
use super::*;
use crate::document::OperationDocument;

#[test]
fn operation_documents_are_frozen() {
    let proposed = decided(2);
    let ids: Vec<String> = proposed
        .iter()
        .map(|record| record.id().to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "aeabce3cb117d93bb6c39b766d8a242a1b781c737e30fb425b03fa8b469c0cae",
            "95e2c1b234af0a52c21896645783a0bada3bd88f8af4a9578a8117cf5dfb2002",
            "43df7e66a6daa3683a8edeb90eb6600fa640887017ffe5fdd9a9973be5877b6f",
            "1d2822f532d7b3df953e88bf2da74a1a6bdb58c012d4536d63247ac16155b138",
            "437629a2ac62143d8f3a22fde82613e288520eab3f746157d3b7e7f5d1130a7b"
        ]
    );
    let document = OperationDocument::build(&proposed).unwrap();
    let heads: Vec<String> = document.heads().iter().map(ToString::to_string).collect();
    assert_eq!(
        heads,
        [
            "3ad635c6a456b7d0870e16aa66ddf97c9401271252f87873fb265dd3590d5e2b",
            "4630889ab88562660cbb9cad7fe329e68374971b7d31dc7d4757ff36f9c5497d",
            "720a4e7871a5e5a2155883fcfb827cd229a26a1a4db71e90a81f064001795729",
            "b41a2c6b56e1c7ead6f1153732c14bf0db5952ee8e3f0615224a079db62a9949",
            "b68ce66174103e3f059395575da2e8c991d83ea04a1ba1dfc29658ef4b6ebdc8"
        ]
    );
    let digest = |records: &[Verified]| {
        let document = OperationDocument::build(records).unwrap();
        document.digest().to_string()
    };
    assert_eq!(
        digest(&objected()),
        "e29de3129e74c67119c151185fa6936bfff88eb423010d5453e26e1ed7514cf3"
    );
    let every_kind: Vec<String> = every_kind()
        .into_iter()
        .map(|kind| digest(&[propose(&identity(0), kind, 1)])[..16].to_owned())
        .collect();
    assert_eq!(
        every_kind,
        [
            "0a8d8903838ad982",
            "056ae91aa84fc0e5",
            "36ef6afaf0c8dcc8",
            "de4c17890c702457",
            "af270ddbb85cd8ca",
            "c6d3c41c950e6c1c",
            "2194fec53ae1be7a",
            "f6a87f15f111432f",
            "edf8e69b1abaeb6d",
            "5a5540d02e77d1b3",
            "d8543e207dbf400a",
            "4361554b13f6b123",
            "915c5966326e4dd6"
        ]
    );
}

#[test]
fn ledger_documents_are_frozen() {
    assert_eq!(
        genesis().network_id().to_string(),
        "b103c1537027c2f9a61900ed60c2423b72e623987cdc3a3a51ee664f8cfcd329"
    );
    let seals = seals();
    let heads: Vec<String> = (0..=seals.len())
        .flat_map(|height| after(&seals[..height]).heads())
        .map(|head| head.to_string())
        .collect();
    assert_eq!(
        heads,
        [
            "a3621b3ed2cbcbe04e56eb448753c9612f9c25254f5fed9db919a9f6240b5f3d",
            "c70603647d3d13851661802fda26e09d7c8f81ec9adbf7a165f2cc4283586064",
            "b4502f14583399bf85254611fa050787c480249241a39ed15320671dcea05b81",
            "b97e579c00d71215cb3a0ea14eb9fd614458266538b37d366d5a1399ae8201d4"
        ]
    );
}
